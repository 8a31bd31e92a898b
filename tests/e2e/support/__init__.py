"""The small vocabulary of the end-to-end tests.

Servers around the service (`kafka`, `registry`), the service itself (`service`), what flows in (`records`,
`shapes`, `contract`), who listens (`plain`, `socketio`, `raw`, `tokens`), and waiting (`waiting`). Nothing here
shares code with the service: a test is judged by other people's clients and by the raw text of the frames.
"""
