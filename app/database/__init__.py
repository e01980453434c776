"""The database itself: how it is opened, its tables and their revision, what its errors mean.

What is kept in it, and the SQL for that, stand one floor up.
"""
