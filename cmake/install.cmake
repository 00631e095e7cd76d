# What `cmake --install` puts where: the program, the library, its public headers, and what find_package(aesop) and
# pkg-config read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS aesop EXPORT aesopTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aesop)
if(TARGET aesop_program)
  file(RELATIVE_PATH AESOP_BIN_TO_LIB
    ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(aesop_program PROPERTIES INSTALL_RPATH "$ORIGIN/${AESOP_BIN_TO_LIB}")
  install(TARGETS aesop_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

  # The program writes its own manual page and completions.
  if(NOT CMAKE_CROSSCOMPILING)
    set(written ${CMAKE_BINARY_DIR}/generated)
    add_custom_command(OUTPUT ${written}/aesop.1 ${written}/completion.bash ${written}/completion.fish
      COMMAND aesop_program help --man > ${written}/aesop.1
      COMMAND aesop_program completion bash > ${written}/completion.bash
      COMMAND aesop_program completion fish > ${written}/completion.fish
      DEPENDS aesop_program VERBATIM)
    add_custom_target(aesop_written ALL DEPENDS ${written}/aesop.1)
    install(FILES ${written}/aesop.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES ${written}/completion.bash RENAME aesop
      DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES ${written}/completion.fish RENAME aesop.fish
      DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  endif()
endif()

# The folders stay folders, so that `#include "tensor/tensor.h"` works outside as it does inside.
foreach(header IN LISTS AESOP_PUBLIC_HEADERS)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aesop/${folder})
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/generated/aesop.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/aesop)

set(AESOP_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/aesop)
install(EXPORT aesopTargets NAMESPACE aesop:: DESTINATION ${AESOP_PACKAGE_DIR})
configure_package_config_file(cmake/aesopConfig.cmake.in ${CMAKE_BINARY_DIR}/generated/aesopConfig.cmake
  INSTALL_DESTINATION ${AESOP_PACKAGE_DIR})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/aesopConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/aesopConfig.cmake ${CMAKE_BINARY_DIR}/generated/aesopConfigVersion.cmake
  DESTINATION ${AESOP_PACKAGE_DIR})

# aesop.pc finds its prefix from where it lies, so that the installed tree can be moved.
file(RELATIVE_PATH AESOP_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/aesop.pc.in ${CMAKE_BINARY_DIR}/generated/aesop.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/generated/aesop.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
