# AESOP_PUBLIC_HEADERS: a header is public when it marks something AE_API, when it is its folder's own (nn/nn.h), or
# when a public header includes it. One called *_internal.h never is. Also writes aesop.h, which includes them all.
file(GLOB AESOP_HEADERS CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
  tensor/*.h autograd/*.h nn/*.h zoo/*.h datasets/*.h tokenizers/*.h apps/*.h)
list(FILTER AESOP_HEADERS EXCLUDE REGEX "_internal\\.h$")

set(AESOP_PUBLIC_HEADERS "")
foreach(header IN LISTS AESOP_HEADERS)
  file(STRINGS ${header} marked REGEX "^ *AE_API |^#define AE_API" LIMIT_COUNT 1)
  string(REGEX REPLACE "/.*" "" folder ${header})
  if(marked OR header STREQUAL "${folder}/${folder}.h")
    list(APPEND AESOP_PUBLIC_HEADERS ${header})
  endif()
endforeach()

set(unseen ${AESOP_PUBLIC_HEADERS})
while(unseen)
  list(POP_FRONT unseen header)
  file(STRINGS ${header} lines REGEX "^#include \"[a-z]+/")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^#include \"([^\"]+)\".*" "\\1" included "${line}")
    if(included IN_LIST AESOP_HEADERS AND NOT included IN_LIST AESOP_PUBLIC_HEADERS)
      list(APPEND AESOP_PUBLIC_HEADERS ${included})
      list(APPEND unseen ${included})
    endif()
  endforeach()
endwhile()
list(SORT AESOP_PUBLIC_HEADERS)

list(TRANSFORM AESOP_PUBLIC_HEADERS REPLACE "(.+)" "#include \"\\1\"\n" OUTPUT_VARIABLE AESOP_INCLUDES)
list(JOIN AESOP_INCLUDES "" AESOP_INCLUDES)
configure_file(cmake/aesop.h.in generated/aesop.h)
