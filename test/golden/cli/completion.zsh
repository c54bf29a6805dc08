#compdef slash64
_slash64() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a commands options
  commands=('status:groups, networks and containers with their addresses and ports' 'version:the versions of this command and of the daemon' 'help:how to use a command' 'man:the man page' 'completion:completion of command lines for a shell')
  options=('--json[write JSON\: status and version as the daemon answers, with all that it knows]' '--control[control socket of the daemon]:PATH:_files' {-h,--help}'[explain the command and do nothing else]' '--version[write the version of this command and do nothing else]')
  _arguments -C $options '1:COMMAND:->command' '*::ARGUMENT:->argument'
  case $state in
    command) _describe COMMAND commands ;;
    argument)
      case $words[1] in
        status) _arguments $options '*:NAME: ' ;;
        help) _arguments $options ':COMMAND:(status version help man completion)' ;;
        completion) _arguments $options ':SHELL:(bash zsh fish)' ;;
        *) _arguments $options ;;
      esac ;;
  esac
}
if [ "$funcstack[1]" = _slash64 ]; then _slash64 "$@"; else compdef _slash64 slash64; fi
