# bash completion of slash64
_slash64() {
  local current=${COMP_WORDS[COMP_CWORD]} command= count=0 skip= value= words= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [ "$word" = = ]; then skip=1; continue; fi
    if [ -n "$skip" ]; then skip=; continue; fi
    case $word in
      --control) skip=1 ;;
      -*) ;;
      *) if [ -z "$command" ]; then command=$word; else count=$((count + 1)); fi ;;
    esac
  done
  if [ -n "$skip" ] || [ "$current" = = ]; then
    [ "$current" != = ] || current=
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    return
  fi
  case $command in
    '') words='status version help man completion' ;;
    help) words='status version help man completion' ;;
    completion) words='bash zsh fish' ;;
  esac
  [ "$count" -eq 0 ] || words=
  case $current in -*) words='--json --control --help -h --version' ;; esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _slash64 slash64
