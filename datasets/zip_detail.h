#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../core/input_detail.h"

/// Internal to the readers of this folder: ZIP archives (APPNOTE 6.3), stored or deflated, on one disk, below 4 GiB.
namespace elbo::datasets {

/// What the archive's directory says of a member.
struct ZipMember {
  std::string name = {};
  std::uint16_t method = 0, flags = 0;
  std::uint32_t checksum = 0;
  std::uint64_t packed = 0;  ///< bytes in the file
  std::uint64_t size = 0;    ///< bytes of the content
  std::uint64_t begin = 0;   ///< where its own header lies in the file
};

/// An archive, whose directory has been read and compared with the size of the file. Its members are read one after the
/// other, each from its beginning.
class ZipFile {
 public:
  /// Throws IoError and FormatError.
  explicit ZipFile(detail::InputFile file);
  ~ZipFile();
  ZipFile(const ZipFile&) = delete;
  ZipFile& operator=(const ZipFile&) = delete;

  const std::string& name() const { return file_.name; }
  const std::vector<ZipMember>& members() const { return members_; }
  /// Goes to the content of a member. Throws FormatError where its own header says otherwise than the directory, where
  /// it is packed in another way, and where its bytes cannot hold what it promises.
  void open(const ZipMember& member);
  /// Fills `to` from the member. Throws FormatError where the content ends before, or is damaged.
  void read(std::span<std::uint8_t> to);
  /// Checks that nothing is left, and the checksum. Throws FormatError.
  void finish();

 private:
  struct Inflater;
  void read_directory();
  ZipMember read_entry(std::span<const std::uint8_t> directory, std::size_t& at) const;
  void read_file(std::uint64_t at, std::span<std::uint8_t> to, const char* what);
  std::size_t inflate_some(std::span<std::uint8_t> to);
  /// The file and the member, for the beginning of a message.
  std::string here() const;

  detail::InputFile file_;
  std::vector<ZipMember> members_ = {};
  std::uint64_t directory_ = 0;  ///< where it begins, behind all members
  // Of the member that is open:
  ZipMember open_ = {};
  std::uint64_t packed_left_ = 0;  ///< of what is to be inflated
  std::uint64_t done_ = 0;
  std::uint32_t checksum_ = 0;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace elbo::datasets
