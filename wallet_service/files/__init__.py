"""Files that customers download: where they lie, and the links that lead to them.

A file lies under a key of its organization in an object store: a folder of this machine, or a bucket. Callers get links that
stand for themselves: signed, for one file, one organization and a short time. Whoever has a link may download, so it works
in a browser and with curl; a link that was changed or is old leads nowhere.

Does not own what is in the files, nor who may ask for a link.
"""
