# One test program per folder of tests/, which mirrors the source tree. Tests whose name contains
# "Nightly" get the label `nightly`: `./run nightly` runs them, `./run test` does not. The test
# presets hold the environment that the tests run in.

include(GoogleTest)

# Seconds until a test counts as hung. Instrumented, the longest tests (whole studies, every case of a
# kernel family) take many times as long.
if(SWITCHYARD_SANITIZE)
  set(_timeout 3600)
else()
  set(_timeout 600)
endif()

switchyard_sources(_support tests/support)
if(_support)
  add_library(switchyard_test_support STATIC ${_support})
  target_link_libraries(switchyard_test_support PUBLIC switchyard_flags switchyard_engine
                        GTest::gtest)
endif()

# switchyard_test(FOLDER LIBRARIES ... [EXCLUDE regex] [LABEL label] [STANDALONE]): the program
# test_FOLDER from tests/FOLDER and the folders below it, but for the files that match `regex`. A
# slash in FOLDER becomes an underscore. The tests' label is FOLDER unless given. STANDALONE: without
# the support library, which brings the engine.
function(switchyard_test FOLDER)
  cmake_parse_arguments(ARG "STANDALONE" "EXCLUDE;LABEL" "LIBRARIES" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL ${FOLDER})
  endif()
  string(REPLACE "/" "_" target "test_${FOLDER}")
  switchyard_sources(sources tests/${FOLDER} tests/${FOLDER}/*)
  if(ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${ARG_EXCLUDE}")
  endif()
  if(NOT sources)
    message(STATUS "${target}: no sources")
    return()
  endif()
  add_executable(${target} ${sources})
  if(NOT ARG_STANDALONE)
    list(APPEND ARG_LIBRARIES $<TARGET_NAME_IF_EXISTS:switchyard_test_support>)
  endif()
  target_link_libraries(${target} PRIVATE switchyard_flags ${ARG_LIBRARIES} GTest::gtest_main)
  set_target_properties(${target} PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  gtest_discover_tests(${target} TEST_FILTER "-*Nightly*:*/Cuda*" DISCOVERY_MODE PRE_TEST
                       DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${_timeout} LABELS ${ARG_LABEL})
  gtest_discover_tests(${target} TEST_FILTER "*Nightly*" DISCOVERY_MODE PRE_TEST
                       DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 3600 LABELS nightly)
endfunction()

# switchyard_gpu_tests(FOLDER ...): the tests of test_FOLDER whose parameter is the device cuda, which
# have "/Cuda" in their names, as one ctest entry.
function(switchyard_gpu_tests)
  foreach(folder ${ARGN})
    add_test(NAME ${folder}.cuda
             COMMAND test_${folder} "--gtest_filter=*/Cuda*" --gtest_brief=1)
    set_tests_properties(${folder}.cuda PROPERTIES TIMEOUT 1200 LABELS gpu
                         SKIP_REGULAR_EXPRESSION "no device cuda: ")
  endforeach()
endfunction()

set(_not_kernels "/(cuda_runtime|cuda_device|xray)/")
if(NOT SWITCHYARD_SIMT)
  set(_not_kernels "/(simt|cuda|cuda_runtime|cuda_device|xray)/")  # these run kernels on the executor
endif()
switchyard_test(kernels EXCLUDE "tests/kernels${_not_kernels}"
                LIBRARIES switchyard_kernels $<TARGET_NAME_IF_EXISTS:switchyard_simt>)
# Tests of counts that a page shows read the page.
target_compile_definitions(test_kernels PRIVATE SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(SWITCHYARD_CUDA)
  # On a stand-in for the CUDA runtime that notes every call.
  switchyard_test(kernels/cuda_runtime STANDALONE LIBRARIES switchyard_xray_runtime fmt::fmt)
  switchyard_cuda_libraries(test_kernels_cuda_runtime)
  switchyard_test(kernels/cuda_device STANDALONE LABEL gpu
                  LIBRARIES switchyard_cuda_runtime fmt::fmt)
endif()
switchyard_test(kernels/xray STANDALONE LABEL kernels LIBRARIES switchyard_xray fmt::fmt)
target_compile_definitions(test_kernels_xray PRIVATE SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
switchyard_test(engine LIBRARIES switchyard_engine)
switchyard_test(data LIBRARIES switchyard_data ZLIB::ZLIB LibArchive::LibArchive)
switchyard_test(models LIBRARIES switchyard_models)
switchyard_test(training EXCLUDE "/gpu_step/" LIBRARIES switchyard_training)
switchyard_test(analysis EXCLUDE "/gpu_bench/" LIBRARIES switchyard_analysis Eigen3::Eigen)
if(SWITCHYARD_CUDA)
  # The whole engine on a GPU that only counts.
  switchyard_test(training/gpu_step LIBRARIES switchyard_training)
  switchyard_test(analysis/gpu_bench LIBRARIES switchyard_analysis)
  foreach(target test_training_gpu_step test_analysis_gpu_bench)
    target_sources(${target} PRIVATE tests/kernels/cuda_runtime/fake_cuda.cpp)
    target_link_libraries(${target} PRIVATE switchyard_xray_runtime fmt::fmt)
    switchyard_cuda_libraries(${target})
  endforeach()
  target_sources(test_analysis_gpu_bench PRIVATE tests/training/gpu_step/fake_launches.cpp)
endif()
switchyard_test(app LIBRARIES switchyard_analysis)
switchyard_light_optimisation(test_kernels_xray)
foreach(folder kernels engine data models training analysis app)
  switchyard_light_optimisation(test_${folder})
endforeach()
if(SWITCHYARD_CUDA)
  switchyard_gpu_tests(engine models training analysis app)
endif()
if(TARGET test_app AND TARGET switchyard)
  add_dependencies(test_app switchyard)  # it runs the program and reads what it prints
  target_compile_definitions(test_app PRIVATE SWITCHYARD_PROGRAM="$<TARGET_FILE:switchyard>"
                             SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endif()

# Every variant of every kernel against its float64 reference: tests/workbench. One ctest entry per
# family and device; those on a GPU carry the label `gpu` and are skipped where there is none.
switchyard_sources(_workbench_tests tests/workbench)
add_executable(test_workbench ${_workbench_tests})
target_link_libraries(test_workbench PRIVATE switchyard_flags switchyard_workbench GTest::gtest
                      fmt::fmt)
target_compile_definitions(test_workbench PRIVATE
                           SWITCHYARD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
set_target_properties(test_workbench PROPERTIES
                      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
file(GLOB _families CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/kernels/workbench/families/*.cpp")
foreach(file ${_families})
  get_filename_component(family "${file}" NAME_WE)
  add_test(NAME workbench.${family}
           COMMAND test_workbench "--gtest_filter=Cpu.${family}/*:Simt.${family}/*" --gtest_brief=1)
  set_tests_properties(workbench.${family} PROPERTIES TIMEOUT ${_timeout} LABELS kernels
                       FAIL_REGULAR_EXPRESSION " 0 tests from")
  if(SWITCHYARD_CUDA)
    add_test(NAME workbench.cuda.${family}
             COMMAND test_workbench "--gtest_filter=Cuda.${family}/*" --gtest_brief=1)
    set_tests_properties(workbench.cuda.${family} PROPERTIES TIMEOUT ${_timeout} LABELS gpu
                         SKIP_REGULAR_EXPRESSION "Skipped")
  endif()
endforeach()
add_test(NAME workbench COMMAND test_workbench "--gtest_filter=-Cpu.*:Simt.*:Cuda.*")
set_tests_properties(workbench PROPERTIES TIMEOUT ${_timeout} LABELS kernels)

# The same on the device cuda without a GPU, on the X-ray's machine, which runs the PTX that nvcc
# made. Products by NVIDIA's libraries have no PTX here.
if(SWITCHYARD_CUDA)
  add_executable(test_workbench_xray tests/workbench/agreement_test.cpp
                                     tests/workbench/xray/xray_machine.cpp)
  target_link_libraries(test_workbench_xray PRIVATE switchyard_flags switchyard_workbench
                        switchyard_xray_runtime switchyard_cuda GTest::gtest fmt::fmt)
  set_target_properties(test_workbench_xray PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  foreach(family softmax top_k gather shape)  # the rest: nightly
    add_test(NAME workbench.xray.${family}
             COMMAND test_workbench_xray "--gtest_filter=Cuda.${family}/*-*/standard" --gtest_brief=1)
    set_tests_properties(workbench.xray.${family} PROPERTIES TIMEOUT ${_timeout} LABELS kernels
                         FAIL_REGULAR_EXPRESSION " 0 tests from")
  endforeach()
  # Each launch once more in five hostile orders of threads: the bits must be the same.
  foreach(family gather shape)
    set_property(TEST workbench.xray.${family} PROPERTY ENVIRONMENT "SWITCHYARD_XRAY_ORDERS=5")
  endforeach()
  foreach(file ${_families})  # a test each, so that one that takes long says which it is
    get_filename_component(family "${file}" NAME_WE)
    add_test(NAME workbench.xray.orders.${family}
             COMMAND test_workbench_xray --gtest_brief=1
                     "--gtest_filter=Cuda.${family}/*-*/standard:*cublas*:*cudnn*")
    set_tests_properties(workbench.xray.orders.${family} PROPERTIES TIMEOUT 3600 LABELS nightly
                         ENVIRONMENT "SWITCHYARD_XRAY_ORDERS=5"
                         FAIL_REGULAR_EXPRESSION " 0 tests from")
  endforeach()
endif()

# What every rung of every family costs, counted by the X-ray, against the budgets beside the kernels'
# pages; skipped with another nvcc than theirs.
if(TARGET switchyard AND SWITCHYARD_CUDA)
  foreach(file ${_families})
    get_filename_component(family "${file}" NAME_WE)
    add_test(NAME xray.budget.${family}
             COMMAND switchyard xray ${family}
                     --budget "${PROJECT_SOURCE_DIR}/docs/kernels/budgets/${family}.json")
    set_tests_properties(xray.budget.${family} PROPERTIES TIMEOUT ${_timeout} LABELS kernels
                         SKIP_RETURN_CODE 77)
  endforeach()
  add_test(NAME xray.wrapped
           COMMAND "${PROJECT_SOURCE_DIR}/tests/kernels/xray_runtime/check_wrapped.sh"
                   "${PROJECT_SOURCE_DIR}/cmake/xray_runtime.cmake"
                   "$<TARGET_FILE:switchyard_cuda>" "$<TARGET_FILE:switchyard_cuda_runtime>")
endif()

# Compares what the compiled kernels ask of a GPU with the checked-in table; skipped without nvcc.
if(TARGET switchyard)
  add_test(NAME resources COMMAND switchyard resources
                                  --compare "${PROJECT_SOURCE_DIR}/docs/kernels/resources.json")
  set_tests_properties(resources PROPERTIES SKIP_RETURN_CODE 77)
endif()

# The museum: each broken kernel is caught as its page says, each mended one passes. Skipped without nvcc.
if(TARGET switchyard)
  add_test(NAME museum COMMAND ${CMAKE_COMMAND} -E env "SWITCHYARD=$<TARGET_FILE:switchyard>"
                               "${PROJECT_SOURCE_DIR}/docs/museum/check" all)
  set_tests_properties(museum PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()

# Style: skipped where clang-format 14 is missing.
add_test(NAME format COMMAND "${PROJECT_SOURCE_DIR}/run" format --check)
set_tests_properties(format PROPERTIES SKIP_RETURN_CODE 77)

# The scripts that compare with PyTorch and JAX, as far as they need neither. Not where there is no Python.
find_program(_python python3)
if(_python)
  add_test(NAME bench.peers COMMAND "${_python}" -m unittest discover --pattern "*_test.py"
                                    --start-directory "${PROJECT_SOURCE_DIR}/tests/bench/peers")
endif()

# Kernels that Triton, Liger and NVRTC make, under the X-ray. Skipped where nothing can make any.
if(TARGET switchyard)
  add_test(NAME xray.elsewhere COMMAND "${PROJECT_SOURCE_DIR}/tests/bench/peers/elsewhere_test.sh"
                                       "$<TARGET_FILE:switchyard>" "${PROJECT_SOURCE_DIR}")
  set_tests_properties(xray.elsewhere PROPERTIES TIMEOUT 1200 LABELS nightly SKIP_RETURN_CODE 77)
endif()

# What `./run gpu` does, on stand-ins for its programs and tools.
add_test(NAME bench.gpu COMMAND "${PROJECT_SOURCE_DIR}/tests/bench/gpu/measure_test.sh"
                                "${PROJECT_SOURCE_DIR}")

# Who may include whom.
add_test(NAME layers COMMAND "${PROJECT_SOURCE_DIR}/tests/layers/check_layers.sh"
                             "${PROJECT_SOURCE_DIR}")

# The commands of the guide, typed in order, of the study's page, and of the labs. Not with
# sanitizers: app tests cover the same commands there.
if(TARGET switchyard AND NOT SWITCHYARD_SANITIZE)
  set(_type_commands "${PROJECT_SOURCE_DIR}/tests/guide/run_guide.sh"
                     "$<TARGET_FILE_DIR:switchyard>")
  file(GLOB _chapters CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/guide/[0-9]*.md")
  add_test(NAME guide COMMAND ${_type_commands} ${_chapters}
                              "${PROJECT_SOURCE_DIR}/docs/study/README.md")
  # Alone: its commands use both cores. Beside other tests it takes twice as long, and all tests no less.
  set_tests_properties(guide PROPERTIES TIMEOUT 900 RUN_SERIAL ON)
  file(GLOB _pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/labs/*.md"
                                     "${PROJECT_SOURCE_DIR}/docs/labs/*/*.md")
  add_test(NAME labs.commands COMMAND ${_type_commands} ${_pages})
  set_tests_properties(labs.commands PROPERTIES LABELS labs)
endif()

# The exported package: install it, then configure, build and run a program outside the tree. Not
# with sanitizers, which the program would have to be built with as well.
if(NOT SWITCHYARD_SANITIZE)
  set(_prefix "${PROJECT_BINARY_DIR}/tests/package/prefix")
  add_test(NAME package.install
           COMMAND ${CMAKE_COMMAND} --install "${PROJECT_BINARY_DIR}" --prefix "${_prefix}")
  add_test(NAME package.consumer
           COMMAND ${CMAKE_CTEST_COMMAND}
             --build-and-test "${PROJECT_SOURCE_DIR}/tests/package"
                              "${PROJECT_BINARY_DIR}/tests/package/consumer"
             --build-generator "${CMAKE_GENERATOR}"
             --build-options "-DCMAKE_PREFIX_PATH=${_prefix}" -DCMAKE_BUILD_TYPE=Release
                             "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}"
             --test-command consumer)
  set_tests_properties(package.install PROPERTIES FIXTURES_SETUP package)
  set_tests_properties(package.consumer PROPERTIES FIXTURES_REQUIRED package)
endif()

# The programs of docs/examples, a file each: they return 0 where they computed what they say.
file(GLOB _examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/examples/*.cpp")
foreach(file ${_examples})
  get_filename_component(name "${file}" NAME_WE)
  add_executable(example_${name} "${file}")
  target_link_libraries(example_${name} PRIVATE switchyard_flags switchyard_engine fmt::fmt)
  set_target_properties(example_${name} PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
  switchyard_light_optimisation(example_${name})
  add_test(NAME example.${name} COMMAND example_${name})
endforeach()

include(cmake/labs.cmake)  # the exercises of docs/labs, unsolved and solved
