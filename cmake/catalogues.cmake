# po/LANG.po becomes locale/LANG/LC_MESSAGES/nod.mo in the build tree, where the command
# finds it before it is installed, and share/locale/... when it is.
find_program(MSGFMT msgfmt)
file(GLOB catalogues CONFIGURE_DEPENDS po/*.po)
if(catalogues AND NOT MSGFMT)
    message(FATAL_ERROR "msgfmt is missing, which compiles translations. Run "
        "scripts/install-deps")
endif()
set(compiled_catalogues)
foreach(catalogue ${catalogues})
    get_filename_component(language ${catalogue} NAME_WE)
    set(folder ${CMAKE_BINARY_DIR}/locale/${language}/LC_MESSAGES)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${folder}/nod.mo
        COMMAND ${MSGFMT} --check -o ${folder}/nod.mo ${catalogue}
        DEPENDS ${catalogue} VERBATIM)
    list(APPEND compiled_catalogues ${folder}/nod.mo)
    install(FILES ${folder}/nod.mo DESTINATION ${CMAKE_INSTALL_LOCALEDIR}/${language}/LC_MESSAGES)
endforeach()
add_custom_target(catalogues ALL DEPENDS ${compiled_catalogues})
