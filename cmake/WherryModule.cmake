# SPDX-License-Identifier: Apache-2.0
# One function for every module, so that warnings, sanitizers and tests are the same everywhere.

add_library(wherry_flags INTERFACE)
target_include_directories(wherry_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(wherry_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<BOOL:${WHERRY_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 sees uninitialized members in std::variants that are moved at -O2 (GCC bug 105562 and its
  # kin); the sanitizer builds and clang watch for the real thing.
  target_compile_options(wherry_flags INTERFACE -Wno-maybe-uninitialized)
  if(CMAKE_UNITY_BUILD)
    # What a unity build includes are no headers, so their types may use unnamed namespaces.
    target_compile_options(wherry_flags INTERFACE -Wno-subobject-linkage)
  endif()
endif()
if(WHERRY_SANITIZE)
  # No vptr check: it needs the type information of SOCI's classes, which its libraries do not export.
  target_compile_options(wherry_flags INTERFACE -fsanitize=${WHERRY_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all -fno-sanitize=vptr)
  target_link_options(wherry_flags INTERFACE -fsanitize=${WHERRY_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # clang 14 writes its check of function types into the clones of a coroutine too, as a difference that
    # the assembler refuses ("Cannot represent a difference across sections").
    target_compile_options(wherry_flags INTERFACE -fno-sanitize=function)
    if(with_python)
      # Python's interpreter must load the sanitizer before the module, so it is a library, as gcc's is.
      execute_process(OUTPUT_VARIABLE WHERRY_ASAN_LIBRARY OUTPUT_STRIP_TRAILING_WHITESPACE
        COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libclang_rt.asan-${CMAKE_SYSTEM_PROCESSOR}.so)
      cmake_path(GET WHERRY_ASAN_LIBRARY PARENT_PATH place)
      target_link_options(wherry_flags INTERFACE -shared-libasan "-Wl,-rpath,${place}")
    endif()
  endif()
  # Each of these programs has some 300 MB, half a minute for Debian's usual linker.
  find_program(WHERRY_MOLD mold)
  if(WHERRY_MOLD)
    target_link_options(wherry_flags INTERFACE -fuse-ld=mold)
  endif()
endif()
if(WHERRY_FUZZ)
  target_compile_options(wherry_flags INTERFACE -fsanitize=fuzzer-no-link)
  # Readers then take every checksum, so that mutations reach the code behind it.
  target_compile_definitions(wherry_flags INTERFACE FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
endif()
if(WHERRY_COVERAGE)
  target_compile_options(wherry_flags INTERFACE --coverage)
  target_link_options(wherry_flags INTERFACE --coverage)
endif()

# wherry_module(NAME SOURCES a.cc ... HEADERS a.h ... [DEPENDS module ...] [LIBRARIES lib ...]
#               [PRIVATE_LIBRARIES lib ...] [TESTS a_test.cc ...] [TEST_LIBRARIES lib ...])
# makes the library wherry_NAME (wherry::NAME) and, from TESTS, the test binary wherry_NAME_test, whose
# suites are tests of CTest: NAME.SUITE.
function(wherry_module name)
  cmake_parse_arguments(M "" "" "SOURCES;HEADERS;DEPENDS;LIBRARIES;PRIVATE_LIBRARIES;TESTS;TEST_LIBRARIES" ${ARGN})
  set(target wherry_${name})
  add_library(${target} STATIC ${M_SOURCES})
  add_library(wherry::${name} ALIAS ${target})
  if(with_python AND NOT name MATCHES "^cli")
    # Goes into the extension module as well. Nobody interposes its functions, so they may be inlined.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
  endif()
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${M_HEADERS})
  list(TRANSFORM M_DEPENDS PREPEND wherry::)
  target_link_libraries(${target} PUBLIC wherry_flags ${M_DEPENDS} ${M_LIBRARIES}
    PRIVATE ${M_PRIVATE_LIBRARIES})
  if(WHERRY_TESTS AND M_TESTS)
    add_executable(${target}_test ${M_TESTS})
    target_link_libraries(${target}_test PRIVATE ${target} ${M_TEST_LIBRARIES} GTest::gmock GTest::gtest_main)
    set(suites ${CMAKE_CURRENT_BINARY_DIR}/${target}_suites.cmake)
    file(GENERATE OUTPUT ${suites} CONTENT "set(module ${name})
set(binary \"$<TARGET_FILE:${target}_test>\")
include(\"${PROJECT_SOURCE_DIR}/cmake/TestSuites.cmake\")
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${suites})
  endif()
endfunction()
