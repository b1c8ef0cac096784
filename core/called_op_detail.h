#pragma once

namespace elbo::detail {

/// The op that this thread's caller called, for as long as it lives. What an op is made of says this name in its
/// messages: a bad label of cross_entropy is `[cross_entropy]`'s, not `[one_hot]`'s. Of nested ones the outermost
/// counts.
class CalledOp {
 public:
  explicit CalledOp(const char* name) : outermost_(current_ == nullptr) {
    if (outermost_) current_ = name;
  }
  ~CalledOp() {
    if (outermost_) current_ = nullptr;
  }
  CalledOp(const CalledOp&) = delete;
  CalledOp& operator=(const CalledOp&) = delete;

  /// Its name, or `otherwise` outside of any.
  static const char* name_or(const char* otherwise) { return current_ ? current_ : otherwise; }

 private:
  static inline thread_local const char* current_ = nullptr;
  bool outermost_;
};

}  // namespace elbo::detail
