"""Whether this machine can run LesionMAP, and what to do where it cannot.

Whatever is missing, an answer must come: nothing but the standard library is
imported outside the examinations themselves.
"""
