"""The command line of loadtest/quartet: a module for each verb, and the options that they share."""
