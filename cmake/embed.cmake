# Writes a C++ file that holds text files: called by varve_embed() with OUTPUT, HEADER, SYMBOL, FILES.
string(REGEX REPLACE "::[^:]*$" "" namespace "${SYMBOL}")
string(REGEX REPLACE "^.*::" "" function "${SYMBOL}")
set(entries "")
foreach(file ${FILES})
  get_filename_component(stem "${file}" NAME_WE)
  file(READ "${file}" text)
  string(APPEND entries "    {\"${stem}\", R\"varve~(${text})varve~\"},\n")
endforeach()
set(body "// Made by cmake/embed.cmake.
#include \"${HEADER}\"

namespace ${namespace} {
namespace {
constexpr EmbeddedFile kFiles[] = {
${entries}};
}  // namespace
std::span<const EmbeddedFile> ${function}() { return kFiles; }
}  // namespace ${namespace}
")
file(WRITE "${OUTPUT}" "${body}")
