# fish completion of slash64
complete -c slash64 -f
complete -c slash64 -n 'not __fish_seen_subcommand_from status version help man completion' -a status -d 'groups, networks and containers with their addresses and ports'
complete -c slash64 -n 'not __fish_seen_subcommand_from status version help man completion' -a version -d 'the versions of this command and of the daemon'
complete -c slash64 -n 'not __fish_seen_subcommand_from status version help man completion' -a help -d 'how to use a command'
complete -c slash64 -n 'not __fish_seen_subcommand_from status version help man completion' -a man -d 'the man page'
complete -c slash64 -n 'not __fish_seen_subcommand_from status version help man completion' -a completion -d 'completion of command lines for a shell'
complete -c slash64 -n '__fish_seen_subcommand_from help' -a 'status version help man completion' -d 'the command to explain'
complete -c slash64 -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish' -d 'the shell that is to read it'
complete -c slash64 -l json -d 'write JSON: status and version as the daemon answers, with all that it knows'
complete -c slash64 -l control -r -F -d 'control socket of the daemon'
complete -c slash64 -s h -l help -d 'explain the command and do nothing else'
complete -c slash64 -l version -d 'write the version of this command and do nothing else'
