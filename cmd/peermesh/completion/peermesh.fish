# Completes peermesh in fish: peermesh completion fish > ~/.config/fish/completions/peermesh.fish

function __peermesh_complete
    set -l typed (commandline -opc)
    set -l last (commandline -ct)
    set -l assigned (string match -r -- '^-[^=]*=' $last)
    for line in ($typed "--complete=$last" 2>/dev/null)
        switch $line
            case ':files*'
                for path in (__fish_complete_path (string replace -- "$assigned" '' $last))
                    echo "$assigned$path"
                end
            case ':dirs*'
                for path in (__fish_complete_directories (string replace -- "$assigned" '' $last))
                    echo "$assigned$path"
                end
            case '*'
                echo $line
        end
    end
end

complete -c peermesh -f -a '(__peermesh_complete)'
