"""A soak: a town that writes all the time, thousands of clients, and a nemesis that breaks one thing after the other.

`town` says which events there are and whom each is due to, `traffic` writes them, `people` are the clients (drivers/soak, who
also judge), `world` is everything that can break, `nemesis` breaks it.
"""
