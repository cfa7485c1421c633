# Programs that know nothing of nod, with their TCP on it; the kernel at the other end.
file(GLOB programs CONFIGURE_DEPENDS programs/*.sh)
list(REMOVE_ITEM programs ${CMAKE_CURRENT_SOURCE_DIR}/programs/lib.sh
    ${CMAKE_CURRENT_SOURCE_DIR}/programs/client.sh)
# What is preloaded carries no sanitizer, so that one program is enough for a sanitized `nod run`.
if(NOD_SANITIZE)
    list(FILTER programs INCLUDE REGEX "/curl\\.sh$")
endif()
foreach(script ${programs})
    get_filename_component(name ${script} NAME_WE)
    nod_test(programs/${name} 120 ${CMAKE_COMMAND} -E env NOD=$<TARGET_FILE:nod-cmd>
        sh ${script})
endforeach()
