# SPDX-License-Identifier: Apache-2.0
#
# What all targets share: assay_flags (include folders, language, warnings),
# assay_library() for a folder of src/, assay_link() for a program.

add_library(assay_flags INTERFACE)
target_include_directories(assay_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(assay_flags INTERFACE _GNU_SOURCE)
# errno and floating-point traps are never looked at: without them loops with
# sqrtf() or a condition vectorise. Contraction is off so that each variant
# of a loop that ASSAY__CLONES makes rounds alike on every machine; loops of
# ASSAY__FUSED switch it on for themselves. NAN and
# INFINITY are float constants, and clang counts each use in double as a
# promotion: gcc alone is asked for those.
target_compile_options(assay_flags INTERFACE
  -fno-math-errno -fno-trapping-math -ffp-contract=off
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wundef -Wcast-qual
  $<$<C_COMPILER_ID:GNU>:-Wdouble-promotion>
  -Wformat=2 $<$<BOOL:${ASSAY_WERROR}>:-Werror>)
target_link_libraries(assay_flags INTERFACE Threads::Threads m)
if(ASSAY_OPENMP)
  target_link_libraries(assay_flags INTERFACE OpenMP::OpenMP_C)
else()
  target_compile_options(assay_flags INTERFACE -Wno-unknown-pragmas)
endif()

# assay_library(FOLDER [RECURSE] [LINK TARGET...])
# The static library assay_FOLDER of all .c files in the current folder. A
# folder that has none yet gives a library that links nothing.
function(assay_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "RECURSE" "" "LINK")
  set(glob GLOB)
  if(arg_RECURSE)
    set(glob GLOB_RECURSE)
  endif()
  file(${glob} sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(FILTER sources EXCLUDE REGEX "/cli/main\\.c$")
  if(sources)
    add_library(assay_${folder} STATIC ${sources})
    target_link_libraries(assay_${folder} PUBLIC assay_flags ${arg_LINK})
  else()
    add_library(assay_${folder} INTERFACE)
    target_link_libraries(assay_${folder} INTERFACE assay_flags)
  endif()
endfunction()

# assay_link(PROGRAM FOLDER...)
# One group: the linker goes round until no folder needs another.
function(assay_link program)
  set(group "")
  foreach(folder IN LISTS ARGN)
    get_target_property(type assay_${folder} TYPE)
    if(NOT type STREQUAL INTERFACE_LIBRARY)
      list(APPEND group assay_${folder})
    endif()
  endforeach()
  target_link_libraries(${program} PRIVATE assay_flags)
  if(group)
    list(JOIN group "," group)
    target_link_libraries(${program} PRIVATE
      "$<LINK_GROUP:RESCAN,${group}>")
  endif()
endfunction()
