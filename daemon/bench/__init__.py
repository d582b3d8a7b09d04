"""`lipdrop bench`: everything that measures this machine."""
