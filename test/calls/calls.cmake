# One program on the C library alone, for the kernel and for nod: dynamic, and never sanitized (a
# sanitizer answers bad pointers before the kernel can).
file(GLOB calls_sources CONFIGURE_DEPENDS calls/*.c)
add_executable(calls ${calls_sources})
target_compile_definitions(calls PRIVATE _GNU_SOURCE)
# Calls with nonsense are what it is for.
target_compile_options(calls PRIVATE -O1 -Wno-nonnull -fno-sanitize=all)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(calls PRIVATE -Wno-stringop-overflow)
endif()
target_link_options(calls PRIVATE -fno-sanitize=all)
