# One executable; each case of it is a test of its own, for IPv4 and for IPv6. They make TUN
# devices in private network namespaces and say "skipped: ..." where that is not allowed.
file(GLOB interop_sources CONFIGURE_DEPENDS interop/*.c)
nod_test_executable(interop ${interop_sources})
target_link_libraries(interop PRIVATE PkgConfig::CRYPTO)
foreach(family 4 6)
    foreach(case bulk-client bulk-server bulk-plain harm-client harm-server half-close-client
            half-close-server states-client states-server simultaneous-close expert-client
            expert-server ecn-client ecn-server accecn-client path-mtu-client path-mtu-server
            black-hole-client black-hole-server buffers-client buffers-server refused info tap-client
            tap-server icmp icmp-tap conflict)
        nod_test(interop/${case}-ip${family} 240 interop ${case} ${family})
    endforeach()
endforeach()
