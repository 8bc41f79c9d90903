#include "support/npy.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace varve::test {

NpyArray read_npy(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (bytes.size() < 10 || bytes.compare(0, 7, "\x93NUMPY\x01") != 0)
    throw std::runtime_error(file.string() + " is not a version 1 .npy file");
  const size_t header = static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
  const std::string text = bytes.substr(10, header);
  if (text.find("'<f4'") == std::string::npos || text.find("'fortran_order': False") == std::string::npos)
    throw std::runtime_error(file.string() + " does not hold float32 in C order");
  NpyArray array;
  const size_t dims = text.find("'shape': (");
  if (dims == std::string::npos) throw std::runtime_error(file.string() + " names no shape");
  size_t count = 1;
  const char* at = text.c_str() + dims + 10;
  while (*at != ')' && *at != '\0') {
    char* after = nullptr;
    array.shape.push_back(std::strtoll(at, &after, 10));
    count *= static_cast<size_t>(array.shape.back());
    at = after;
    while (*at == ',' || *at == ' ') ++at;
  }
  if (bytes.size() != 10 + header + 4 * count) throw std::runtime_error(file.string() + " has another size");
  array.values.resize(count);
  std::memcpy(array.values.data(), bytes.data() + 10 + header, 4 * count);
  return array;
}

}  // namespace varve::test
