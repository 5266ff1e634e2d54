#!/bin/sh
# keep_ptxas_report.sh NVCC ARGUMENT...: runs the compiler with ptxas' report switched on and keeps it
# beside the object as OBJECT.ptxas. Everything else that it says stays where it was: on stderr.
object=
previous=
for argument; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
said=$object.said
"$@" -Xptxas -v 2>"$said"
status=$?
is_report='^ptxas info|bytes stack frame'
grep -E "$is_report" "$said" >"$object.ptxas"
grep -vE "$is_report" "$said" >&2
rm -f "$said"
exit $status
