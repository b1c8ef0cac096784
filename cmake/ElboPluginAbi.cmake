# The ABI number of the CUDA plugin: a hash of core/cuda_plugin.h, core/index_kernels.h and all headers that they include, so
# that nobody has to remember it. Comments and white space do not count.
#   cmake -DFOLDER=core -P cmake/ElboPluginAbi.cmake    prints it

cmake_policy(VERSION 3.25)

# The number of the headers in `folder`, and their paths.
function(elbo_plugin_abi_of folder number headers)
  set(found "")
  set(text "")
  get_filename_component(folder ${folder} ABSOLUTE)
  set(waiting ${folder}/cuda_plugin.h ${folder}/index_kernels.h)
  while(waiting)
    list(POP_FRONT waiting header)
    if(header IN_LIST found)
      continue()
    endif()
    list(APPEND found ${header})
    file(STRINGS ${header} includes REGEX "^#include \"")
    foreach(line IN LISTS includes)
      string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" name "${line}")
      if(EXISTS ${folder}/${name})  # cuda_plugin_abi.h does not: it is what comes of this
        list(APPEND waiting ${folder}/${name})
      endif()
    endforeach()
    file(READ ${header} source)
    string(REGEX REPLACE "//[^\n]*" "" source "${source}")
    string(REGEX REPLACE "[ \t\r\n\\\\]" "" source "${source}")
    string(APPEND text "${source}")
  endwhile()
  string(SHA256 hash "${text}")
  string(SUBSTRING ${hash} 0 7 digits)
  math(EXPR value "0x${digits}")
  set(${number} ${value} PARENT_SCOPE)
  set(${headers} ${found} PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  elbo_plugin_abi_of(${FOLDER} number headers)
  message("${number}")
  return()
endif()

elbo_plugin_abi_of(${PROJECT_SOURCE_DIR}/core number headers)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/plugin_abi/cuda_plugin_abi.h CONTENT
     "#pragma once\nnamespace elbo {\ninline constexpr int cuda_plugin_abi = @number@;\n}\n" @ONLY)

# For a target that includes core/cuda_plugin.h.
function(elbo_plugin_abi target)
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/plugin_abi)
endfunction()
