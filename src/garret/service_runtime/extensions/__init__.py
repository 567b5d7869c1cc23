"""Extensions: other people's code inside the service, through the few hooks of `v1`; see docs/extensions.md.

sources, fetching, project   what somebody names becomes a folder of files; none of it is run
registry                     which there are, and which are on: one record each
trial                        a new one is on trial until the service was ready with it; else it is rolled back
loading                      imported where its hooks belong; what goes wrong in it carries its name
web                          its routes and its part of the page
"""
