# nod for google's packetdrill: an object that it loads with --so_filename. Always built, so that
# it keeps building; its one test of our own needs no packetdrill. It is never sanitized, for no
# sanitizer can be preloaded into a program without it, so nod's core is compiled once more.
file(GLOB drill_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.c)
list(REMOVE_ITEM drill_sources ${CMAKE_CURRENT_LIST_DIR}/test_object.c)
add_library(nod-packetdrill MODULE ${drill_sources} ${nod_sources} src/posix/tcp_info.c
    src/posix/errno.c)
get_directory_property(drill_options COMPILE_OPTIONS)
get_directory_property(drill_link_options LINK_OPTIONS)
list(FILTER drill_options EXCLUDE REGEX "sanitize")
list(FILTER drill_link_options EXCLUDE REGEX "sanitize")
set_target_properties(nod-packetdrill PROPERTIES COMPILE_OPTIONS "${drill_options}"
    LINK_OPTIONS "${drill_link_options}" C_VISIBILITY_PRESET hidden)
target_compile_definitions(nod-packetdrill PRIVATE _GNU_SOURCE)
target_include_directories(nod-packetdrill PRIVATE include src)
find_package(Threads REQUIRED)
target_link_libraries(nod-packetdrill PRIVATE Threads::Threads)

if(NOD_TESTS)
    enable_testing()
    add_executable(test_object ${CMAKE_CURRENT_LIST_DIR}/test_object.c)
    target_compile_definitions(test_object PRIVATE _GNU_SOURCE)
    target_link_libraries(test_object PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
    add_test(NAME packetdrill/object COMMAND test_object $<TARGET_FILE:nod-packetdrill>)
    set_tests_properties(packetdrill/object PROPERTIES TIMEOUT 30)
endif()
