# SPDX-License-Identifier: Apache-2.0
#
# cmake -D IN=style.css -D OUT=style.c -D NAME=symbol -P EmbedFile.cmake
# Writes a C file that defines `const unsigned char symbol[]`: the bytes of
# IN and a NUL. Plain C has no other way to hold a text of more than 4095
# bytes, and no tool but CMake is needed.

file(READ ${IN} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex
  "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "/* Made from ${IN} by EmbedFile.cmake. */
extern const unsigned char ${NAME}[];
const unsigned char ${NAME}[] = {
${bytes}
0x00};
")
