#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "byte_source.h"

/// Internal to the MAT reader: the bytes of a file, element by element.
namespace elbo::datasets {

/// The content of one element at the top of a file, as it lies there or inflated.
class MatElement {
 public:
  MatElement(std::string where, bool swapped) : where_(std::move(where)), swapped_(swapped) {}
  virtual ~MatElement() = default;
  MatElement(const MatElement&) = delete;
  MatElement& operator=(const MatElement&) = delete;

  /// Fills `to`, or throws FormatError.
  virtual void read(std::span<std::uint8_t> to) = 0;
  /// The most bytes that read() can still give.
  virtual std::uint64_t limit() const = 0;
  /// Whether the file's size has shown that those bytes are there.
  virtual bool confirmed() const = 0;
  /// Checks that nothing but padding follows. Throws FormatError.
  virtual void finish() = 0;

  /// The file and the place of the element, for the beginning of a message.
  const std::string& where() const { return where_; }
  /// Whether the file's byte order is not this machine's.
  bool swapped() const { return swapped_; }
  /// Four bytes in the file's order.
  std::uint32_t number(const std::uint8_t* bytes) const;

 private:
  std::string where_;
  bool swapped_;
};

/// A MAT-file of version 5, whose header has been checked.
class MatFile {
 public:
  struct Tag {
    std::uint32_t type = 0;
    std::uint32_t bytes = 0;
  };

  /// Throws IoError and FormatError.
  MatFile(std::unique_ptr<ByteSource> source, std::string name);
  /// The tag of the next element, past what is left of the last one; nothing at the end of the file.
  std::optional<Tag> next();
  /// The content of the element whose tag next() has just given. It must not be used after another next().
  std::unique_ptr<MatElement> plain();
  std::unique_ptr<MatElement> inflated();
  std::string where() const;

 private:
  friend class PlainElement;
  friend class InflatedElement;
  std::size_t read(std::span<std::uint8_t> to);
  /// Reads at most to.size() bytes of this element; throws where the file ends before them.
  std::size_t take(std::span<std::uint8_t> to);

  std::string name_;
  std::unique_ptr<ByteSource> source_;
  bool swapped_ = false;
  std::uint64_t at_ = 0;     // bytes read
  std::uint64_t begin_ = 0;  // where the present element's tag lies
  std::uint64_t left_ = 0;   // of the present element
};

}  // namespace elbo::datasets
