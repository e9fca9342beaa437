// SPDX-License-Identifier: GPL-2.0-only
//
// How the core says "no": a negative errno, never an exception. Both types are [[nodiscard]], so
// that a caller who ignores a failure does not compile.
#pragma once

namespace svma {

// The errno values of x86-64 Linux (include/uapi/asm-generic/errno-base.h). Spelled here because
// the core includes neither libc nor kernel headers.
inline constexpr int kEPERM = 1;
inline constexpr int kENOENT = 2;
inline constexpr int kESRCH = 3;
inline constexpr int kEAGAIN = 11;
inline constexpr int kENOMEM = 12;
inline constexpr int kEACCES = 13;
inline constexpr int kEFAULT = 14;
inline constexpr int kEBUSY = 16;
inline constexpr int kEEXIST = 17;
inline constexpr int kEINVAL = 22;
inline constexpr int kENOSPC = 28;
inline constexpr int kERANGE = 34;
inline constexpr int kEOVERFLOW = 75;
inline constexpr int kEOPNOTSUPP = 95;

// A kernel function that returns an address says "error" with the last page of the address space.
constexpr bool is_error(long long result) { return result < 0 && result >= -4095; }

// Success, or a negative errno.
class [[nodiscard]] Status {
 public:
  constexpr Status() = default;

  // `positive_errno` is one of the constants above: Status::error(kENOMEM).err() == -kENOMEM.
  static constexpr Status error(int positive_errno) { return Status(-positive_errno); }

  // Takes what a C function of the kernel returns: 0 or a negative errno.
  static constexpr Status from_raw(int zero_or_negative) { return Status(zero_or_negative); }

  constexpr bool ok() const { return err_ == 0; }
  constexpr int err() const { return err_; }  // 0 or a negative errno

  friend constexpr bool operator==(Status, Status) = default;

 private:
  explicit constexpr Status(int err) : err_(err) {}

  int err_ = 0;
};

inline constexpr Status kOk{};

// A value, or a negative errno. T is a small, default-constructible value type.
//
// Invariant: value() means something only when ok().
template <class T>
class [[nodiscard]] Result {
 public:
  constexpr Result(T value) : value_(value) {}           // NOLINT(google-explicit-constructor)
  constexpr Result(Status error) : err_(error.err()) {}  // NOLINT(google-explicit-constructor)

  constexpr bool ok() const { return err_ == 0; }
  constexpr int err() const { return err_; }  // 0 or a negative errno
  constexpr Status status() const { return Status::from_raw(err_); }

  // REQUIRES: ok().
  constexpr const T& value() const { return value_; }
  constexpr const T& operator*() const { return value_; }
  constexpr const T* operator->() const { return &value_; }

  constexpr T value_or(T otherwise) const { return ok() ? value_ : otherwise; }

 private:
  T value_{};
  int err_ = 0;
};

}  // namespace svma
