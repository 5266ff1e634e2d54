# Writes OUTPUT, a C++ source with the bytes of FILES; switchyard_embed() runs it.
# Byte arrays and not string literals: a literal longer than 65,535 characters is not portable.

set(arrays "")
set(entries "")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ "${file}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  get_filename_component(name "${file}" NAME)
  string(APPEND arrays "constexpr char kFile${index}[] = {${bytes} '\\0'};\n")
  string(APPEND entries "    {\"${name}\", {kFile${index}, ${size}}},\n")
  math(EXPR index "${index} + 1")
endforeach()

file(WRITE "${OUTPUT}" "#include \"embedded.h\"

#include <map>

namespace switchyard {
namespace {
${arrays}
}  // namespace

std::string_view embedded_file(std::string_view name) {
  static const std::map<std::string_view, std::string_view> kFiles = {
${entries}  };
  return kFiles.at(name);
}

}  // namespace switchyard
")
