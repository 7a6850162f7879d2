# SPDX-License-Identifier: Apache-2.0
# wherry_library(NAME SHARED PACKAGE) makes the target wherry_NAME for others' library NAME: in a program whose property
# WHERRY_ARCHIVES is set libNAME.a, elsewhere, and where there is no archive, SHARED (docs/decisions/0013). PACKAGE is
# Debian's of the archive; its copyright notice goes with the program: WHERRY_NOTICES lists the packages.
function(wherry_library name shared package)
  add_library(wherry_${name} INTERFACE)
  find_library(WHERRY_ARCHIVE_${name} lib${name}.a)
  mark_as_advanced(WHERRY_ARCHIVE_${name})
  set(archive "${WHERRY_ARCHIVE_${name}}")
  if(NOT archive)
    target_link_libraries(wherry_${name} INTERFACE ${shared})
    return()
  endif()
  target_link_libraries(wherry_${name} INTERFACE
    $<IF:$<BOOL:$<TARGET_PROPERTY:WHERRY_ARCHIVES>>,${archive},${shared}>)
  if(EXISTS /usr/share/doc/${package}/copyright)
    set_property(GLOBAL APPEND PROPERTY WHERRY_NOTICES ${package})
  endif()
endfunction()
