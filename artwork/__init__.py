"""The avatars that come with lipdrop, drawn in code. `artwork/people/` has a package for each of them."""
