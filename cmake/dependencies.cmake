# Every foreign library, each with the oldest version that is known to do. All of them are private: a program that uses
# Aesop needs none of their headers. The target aesop_dependencies stands for all.
find_package(OpenMP 4.5 REQUIRED COMPONENTS C)
find_package(OneDNN 2.6 REQUIRED)
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
find_package(ZLIB 1.2.11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.15)
pkg_check_modules(LAPACKE REQUIRED IMPORTED_TARGET lapacke>=3.9)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc>=2.6) # Debian 12 calls its 2.8 so
pkg_check_modules(ONIGURUMA REQUIRED IMPORTED_TARGET oniguruma>=6.9.6)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c>=1.3)
find_package(BZip2 QUIET) # without it files packed by bzip2 are refused
if(BZIP2_FOUND)
  set_source_files_properties(tensor/bzip2.c PROPERTIES COMPILE_DEFINITIONS AE_HAVE_BZIP2)
endif()
find_program(AESOP_PROTOC_C protoc-c REQUIRED)

add_library(aesop_dependencies INTERFACE)
target_include_directories(aesop_dependencies SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_compile_definitions(aesop_dependencies INTERFACE ${HDF5_C_DEFINITIONS})
target_link_libraries(aesop_dependencies INTERFACE
  OpenMP::OpenMP_C OneDNN::OneDNN ${HDF5_C_LIBRARIES} PkgConfig::CJSON PkgConfig::LAPACKE
  PkgConfig::UTF8PROC PkgConfig::ONIGURUMA PkgConfig::PROTOBUFC ZLIB::ZLIB
  $<$<BOOL:${BZIP2_FOUND}>:BZip2::BZip2> m
  ${CMAKE_DL_LIBS})
# What nothing calls is not loaded: starting the program is mostly the loading of libraries.
target_link_options(aesop_dependencies INTERFACE LINKER:--as-needed)
