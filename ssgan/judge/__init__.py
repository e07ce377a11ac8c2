"""Is it any good, and against whom?"""
