"""`lipdrop bench`: measures this machine."""
