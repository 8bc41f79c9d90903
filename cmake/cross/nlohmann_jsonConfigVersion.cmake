# The host's headers are what the native build uses; it has checked their version.
set(PACKAGE_VERSION_COMPATIBLE TRUE)
