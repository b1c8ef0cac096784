# Compile options that the targets of the project share, the CPU variants of the kernels, and the table of ops.
include(CheckCXXCompilerFlag)

# Warnings, sanitizers, and arithmetic that is the same everywhere: no product and sum is contracted into an FMA
# unless the source says fma, so that two loops over one formula give the same bits.
function(elbo_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                           -ffp-contract=off -fno-math-errno -fno-trapping-math)
  # CMAKE_UNITY_BUILD joins files of the library and of the program: those of others have names in common. Two warnings would
  # be false there, that a file shadows names of the one before it, or is included; the asan preset joins none, and gives them.
  if(NOT target MATCHES "^elbo(_cli|_commands)?$")
    set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)
  elseif(CMAKE_UNITY_BUILD)
    target_compile_options(${target} PRIVATE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
  # GCC 12 warns falsely where a literal and a std::string are joined (its bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(ELBO_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(ELBO_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${ELBO_SANITIZE} -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    # GCC 12 warns falsely inside instrumented std::function and std::regex.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_link_options(${target} PUBLIC -fsanitize=${ELBO_SANITIZE})
  endif()
endfunction()

# For what computes nothing itself, the program and the examples: less optimisation than the library, and none where
# sanitizers already make compiling slow.
function(elbo_compile_quickly target)
  if(ELBO_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# For tests: no optimisation, but for the sources given, which compute what others are compared with.
function(elbo_compile_as_test target)
  target_compile_options(${target} PRIVATE -O0)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# elbo_internals: the library for tests and benchmarks, which look at what is hidden too. A static one is that itself; of
# the objects of a shared one a static one is made.
function(elbo_internals)
  if(NOT BUILD_SHARED_LIBS)
    add_library(elbo_internals ALIAS elbo)
    return()
  endif()
  get_target_property(libraries elbo LINK_LIBRARIES)
  add_library(elbo_internals STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:elbo>)
  foreach(isa baseline v3 v4)
    if(TARGET elbo_${isa})
      target_sources(elbo_internals PRIVATE $<TARGET_OBJECTS:elbo_${isa}>)
    endif()
  endforeach()
  set_target_properties(elbo_internals PROPERTIES LINKER_LANGUAGE CXX)
  elbo_options(elbo_internals)
  target_link_libraries(elbo_internals PRIVATE ${libraries})
  target_include_directories(elbo_internals PUBLIC ${PROJECT_BINARY_DIR}/include)
  target_compile_features(elbo_internals PUBLIC cxx_std_20)
endfunction()

# The table of ops, which the tests and the benchmarks go through: compiled once for all of them.
function(elbo_op_cases target)
  if(NOT TARGET elbo_op_cases)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/op_cases_*.cpp)
    list(FILTER sources EXCLUDE REGEX "op_cases_checks")  # of the tests alone
    add_library(elbo_op_cases OBJECT ${sources})
    elbo_options(elbo_op_cases)
    target_compile_options(elbo_op_cases PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
    target_link_libraries(elbo_op_cases PRIVATE elbo_internals)
  endif()
  target_link_libraries(${target} PRIVATE elbo_op_cases)
endfunction()

# Compiles core/cpu/variant/*.cpp once per instruction set. Each object has only internal symbols and one table (see
# core/cpu/variant.h), so the linker cannot hand an old processor code meant for a new one.
function(elbo_cpu_variants target)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/core/cpu/variant/*.cpp)
  set(variants baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    foreach(isa v3 v4)
      check_cxx_compiler_flag(-march=x86-64-${isa} ELBO_HAS_${isa})
      if(ELBO_HAS_${isa})
        list(APPEND variants ${isa})
      endif()
    endforeach()
  endif()
  foreach(isa ${variants})
    add_library(elbo_${isa} OBJECT ${sources})
    elbo_options(elbo_${isa})
    set_target_properties(elbo_${isa} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # -O3 in every optimised build: these loops are written for the vectoriser.
    target_compile_options(elbo_${isa} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
    target_compile_definitions(elbo_${isa} PRIVATE ELBO_VARIANT=${isa})
    string(TOUPPER ${isa} upper)
    target_compile_definitions(elbo_${isa} PRIVATE ELBO_VARIANT_${upper})
    target_compile_definitions(${target} PRIVATE ELBO_HAS_VARIANT_${upper})
    if(NOT isa STREQUAL "baseline")
      target_compile_options(elbo_${isa} PRIVATE -march=x86-64-${isa})
      if(isa STREQUAL "v4")
        target_compile_options(elbo_${isa} PRIVATE -mprefer-vector-width=512)
      endif()
    endif()
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:elbo_${isa}>)
  endforeach()
endfunction()
