"""The table of providers: one small file each for the ones that are odd, one file a trade for those that are not."""
