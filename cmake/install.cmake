# Libraries, headers, pkg-config and CMake package files.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nod)

set_target_properties(${nod_libraries} PROPERTIES VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
install(TARGETS ${nod_libraries} EXPORT nod-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

# A library that is not built is not promised either.
set(posix_headers PATTERN link.h EXCLUDE PATTERN capture.h EXCLUDE PATTERN netns.h EXCLUDE
    PATTERN linux.h EXCLUDE PATTERN loop.h EXCLUDE PATTERN posix.h EXCLUDE PATTERN program.h EXCLUDE
    PATTERN report.h EXCLUDE)
set(sim_headers PATTERN sim.h EXCLUDE PATTERN path.h EXCLUDE)
if(NOD_LIBRARY_ONLY)
    install(DIRECTORY include/nod DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.h ${posix_headers} ${sim_headers})
else()
    install(DIRECTORY include/nod DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN *.h)
endif()

install(EXPORT nod-targets NAMESPACE nod:: DESTINATION ${package_dir})
configure_package_config_file(cmake/nodConfig.cmake.in nodConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(nodConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nodConfig.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/nodConfigVersion.cmake DESTINATION ${package_dir})

set(pc_files nod)
if(NOT NOD_LIBRARY_ONLY)
    list(APPEND pc_files nod-sim nod-posix)
endif()
foreach(pc ${pc_files})
    configure_file(cmake/${pc}.pc.in ${pc}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${pc}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
if(EXISTS ${CMAKE_SOURCE_DIR}/LICENSE)
    install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
