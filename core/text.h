#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api.h"

/// Text that others wrote: names of files and classes, fields of files, arguments.
namespace ELBO_API elbo {

/// The first character of a text.
struct Character {
  char32_t code = 0xFFFD;  ///< Unicode's number; U+FFFD for a byte that is not UTF-8
  std::size_t bytes = 1;   ///< how many it takes; 0 for an empty text
  bool valid = false;      ///< whether these bytes are UTF-8
};
Character first_character(std::string_view text);

bool is_utf8(std::string_view text);

/// With the letters A to Z small, in every locale: for endings and names that differ in case alone.
std::string lower(std::string text);

/// `text` on one line of a terminal: control characters, those that turn the direction of writing, and bytes that are
/// not UTF-8 come as `\xNN`. Of more than `most` characters the first ones remain, and `...` follows; 0 for all.
std::string printable(std::string_view text, std::size_t most = 0);
/// The same, at most 80 characters of it, in single quotes: how messages name what they found.
std::string in_quotes(std::string_view text);

/// "a, b or c". Where that takes more than `most` characters, if `most` is not 0, the first ones: "a, b or 7 others".
std::string either(const std::vector<std::string>& words, std::size_t most = 0);

/// Any bytes, a path's for example, as UTF-8, and back: a byte that is not UTF-8 becomes `\xNN`, and so does a
/// backslash before an x. All else stays as it is.
std::string to_utf8(std::string_view bytes);
std::string from_utf8(std::string_view text);

}  // namespace elbo
