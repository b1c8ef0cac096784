#pragma once
#include "profile_detail.h"

namespace elbo::detail {

/// The op that this thread's caller called, for as long as it lives. What an op is made of says this name in its
/// messages: a bad label of cross_entropy is `[cross_entropy]`'s, not `[one_hot]`'s. Of nested ones the outermost
/// counts; a profile has it as a row.
class CalledOp {
 public:
  explicit CalledOp(const char* name) : outermost_(current_ == nullptr), profiled_(name, outermost_) {
    if (outermost_) current_ = name;
  }
  /// Its gradient rule; `layer` is the one that called the op.
  CalledOp(const char* name, const void* layer) : outermost_(current_ == nullptr), profiled_(name, layer) {
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
  ProfiledOp profiled_;
};

}  // namespace elbo::detail
