# Script: cmake -DINPUT=file -DNAME=symbol -DNAMESPACE=ns -DOUTPUT=file.cpp -P EmbedAsset.cmake
# Writes a C++ source that defines `extern const std::string_view NAMESPACE::NAME`, the text of INPUT.
# A raw string literal compiles far faster than an array of bytes. The text must not contain the
# literal's end mark.

file(READ "${INPUT}" text)
string(FIND "${text}" ")~asset~\"" end_mark)
if(NOT end_mark EQUAL -1)
  message(FATAL_ERROR "${INPUT}: contains the end mark of the raw string literal")
endif()
file(WRITE "${OUTPUT}" "// Generated from ${INPUT}\n#include <string_view>\n\n"
     "namespace ${NAMESPACE} {\nextern const std::string_view ${NAME};\n"
     "const std::string_view ${NAME} = R\"~asset~(${text})~asset~\";\n}\n")
