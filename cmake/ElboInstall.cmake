# Install rules: <prefix>/include/elbo, libelbo, bin/elbo, and what find_package(elbo) and pkg-config read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# What only the library's own files share is not installed. Whatever is, elbo.h or backend.h includes: a test compares.
set(public_headers ${ELBO_HEADERS} backend.h)
if(ELBO_COMPONENTS STREQUAL "everything")
  list(APPEND public_headers c.h)
endif()
list(FILTER public_headers EXCLUDE REGEX "^core/(cpu|ops)/|_detail\\.h$")
list(REMOVE_ITEM public_headers core/cuda_plugin.h datasets/byte_source.h nn/strict_load.h models/analysis/neighbours.h
     models/analysis/tsne_affinities.h
     models/analysis/tsne_forces.h viz/axis.h viz/figure_parts.h viz/font.h viz/report_html.h viz/report_parts.h viz/sheet.h
     viz/svg_writer.h)
foreach(header ${public_headers})
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/elbo/${folder})
endforeach()
# Of elbo.h the lines of what is there.
file(READ elbo.h umbrella)
foreach(folder nn models datasets viz)
  if(NOT folder IN_LIST ELBO_FOLDERS)
    string(REGEX REPLACE "#include \"${folder}/[^\n]*\n" "" umbrella "${umbrella}")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/elbo.h CONTENT "${umbrella}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/elbo.h)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/elbo.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/elbo)

install(TARGETS elbo EXPORT elboTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET elbo_cli)
  if(BUILD_SHARED_LIBS)
    file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(elbo_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${to_lib}")
  endif()
  install(TARGETS elbo_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # find_package(elbo COMPONENTS cli): elbo::cli, for programs with models of their own.
  install(TARGETS elbo_commands EXPORT elboTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES cli.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/elbo)
  if(NOT CMAKE_CROSSCOMPILING)
    set(pages ${PROJECT_BINARY_DIR}/cli/pages)
    install(DIRECTORY ${pages}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${pages}/bash/elbo DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${pages}/zsh/_elbo DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
    install(FILES ${pages}/fish/elbo.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  endif()
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# A shared libelbo brings along what it needs; whoever links the static one has to name it.
set(static_dependencies "")
set(link_flags "")
set(compile_flags "")
if(BUILD_SHARED_LIBS)
  set(compile_flags " -DELBO_SHARED")  # see core/api.h
endif()
if(NOT BUILD_SHARED_LIBS)
  set(static_dependencies "find_dependency(Threads)")
  set(link_flags "-pthread")
  if(ELBO_COMPONENTS STREQUAL "everything")
    string(APPEND static_dependencies "\nfind_dependency(ZLIB)\nfind_dependency(PNG)\nfind_dependency(JPEG)")
    set(link_flags "-lpng16 -ljpeg -lz -pthread")
  endif()
  if(CMAKE_DL_LIBS)
    string(APPEND link_flags " -l${CMAKE_DL_LIBS}")
  endif()
  # For a compiler of C, which does not know it.
  foreach(library ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
    if(library MATCHES "^(stdc\\+\\+|c\\+\\+|m)$")
      string(APPEND link_flags " -l${library}")
    endif()
  endforeach()
  if(ELBO_HAS_OPENMP)
    string(APPEND static_dependencies "\nfind_dependency(OpenMP COMPONENTS CXX)")
    string(APPEND link_flags " ${OpenMP_CXX_FLAGS}")
  endif()
  if(ELBO_SANITIZE)
    string(APPEND link_flags " -fsanitize=${ELBO_SANITIZE}")
  endif()
endif()

set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/elbo)
install(EXPORT elboTargets NAMESPACE elbo:: DESTINATION ${config_folder})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/elboConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/elboConfig.cmake
                              INSTALL_DESTINATION ${config_folder} NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/elboConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/elboConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/elboConfigVersion.cmake
        DESTINATION ${config_folder})

# The prefix is found from where elbo.pc lies, so that an installed tree can be moved.
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH to_prefix ${CMAKE_INSTALL_PREFIX}/${pkgconfig_folder} ${CMAKE_INSTALL_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/elbo.pc.in ${CMAKE_CURRENT_BINARY_DIR}/elbo.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/elbo.pc DESTINATION ${pkgconfig_folder})
