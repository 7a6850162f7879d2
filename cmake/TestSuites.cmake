# SPDX-License-Identifier: Apache-2.0
# Read by CTest, with `module` and the test program `binary`: each suite of the program becomes a test
# <module>.<suite>. A test for each case would start 2,000 programs, which under sanitizers takes
# longer than most cases do. The label `disk` is for what is about disks, and must see one.
if(NOT EXISTS "${binary}")
  add_test("${module}.not_built" "${binary}")
  return()
endif()
execute_process(COMMAND "${binary}" --gtest_list_tests OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
# Suites begin in the first column and end with a dot, their cases are indented.
string(REGEX MATCHALL "(^|\n)[^ \n]+\\." suites "${listed}")
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "\n|\\.$" "" suite "${suite}")
  add_test("${module}.${suite}" "${binary}" "--gtest_filter=${suite}.*")
  set_tests_properties("${module}.${suite}" PROPERTIES TIMEOUT 600)
  if(module MATCHES "^(storage|engine)$")
    set_tests_properties("${module}.${suite}" PROPERTIES LABELS disk)
  endif()
endforeach()
