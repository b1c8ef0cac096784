# Turns viz/font.ttf into an array that is compiled into the library, so that figures need no file at run time.
function(elbo_font target)
  set(font ${CMAKE_CURRENT_SOURCE_DIR}/viz/font.ttf)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${font})
  file(READ ${font} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" bytes "${bytes}")
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/font_file.cpp CONTENT
       "namespace elbo::viz::detail {\nextern const unsigned char font_file[];\nconst unsigned char font_file[] = {\n@bytes@};\n}\n" @ONLY)
  target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/font_file.cpp)
endfunction()
