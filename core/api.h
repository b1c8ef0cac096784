#pragma once
/// What every public header begins with: the language that it takes, and the export mark.

#if defined(__cplusplus) && __cplusplus < 202002L
// Nobody goes on after a file that is not there: one message, where #error would let hundreds follow.
#include "elbo needs C++20: compile with -std=c++20 or newer"
#endif

/// What a shared libelbo shows to those who link against it: the bodies of namespaces in installed headers, and the
/// functions of c.h. All else is hidden (by g++: see CMakeLists.txt). A static libelbo has none: a plugin that it is
/// linked into exports nothing of it. ELBO_SHARED comes with the CMake target and from pkg-config. (On Windows a
/// namespace cannot be marked: there CMake's WINDOWS_EXPORT_ALL_SYMBOLS does this.)
#if !defined(ELBO_SHARED) || defined(_WIN32)
#define ELBO_API
#elif defined(__cplusplus)
#define ELBO_API [[gnu::visibility("default")]]
#else
#define ELBO_API __attribute__((visibility("default")))
#endif
