# bash-completion(7) for Runnel's programs: the options are those that --help lists.
_runnel_program()
{
    local program=$1 word=$2 before=$3
    case $before in
    --backend) COMPREPLY=($(compgen -W "auto uring epoll poll" -- "$word")) ;;
    --accept) COMPREPLY=($(compgen -W "reuseport shared" -- "$word")) ;;
    --log-level) COMPREPLY=($(compgen -W "error warn info debug" -- "$word")) ;;
    --user) COMPREPLY=($(compgen -u -- "$word")) ;;
    -r | --root) COMPREPLY=($(compgen -d -- "$word")) ;;
    *)
        if [[ $word == -* ]]; then
            COMPREPLY=($(compgen -W "$("$program" --help | grep -oE -e '--?[a-z][a-z-]*|-[A-Z]\b')" -- "$word"))
        else
            COMPREPLY=($(compgen -f -- "$word"))
        fi
        ;;
    esac
}
complete -o filenames -F _runnel_program @P@httpd @P@wget
