# Completes peermesh in fish: peermesh completion fish > ~/.config/fish/completions/peermesh.fish

function __peermesh_complete
    set -l typed (commandline -opc)
    set -l last (commandline -ct)
    $typed "--complete=$last" 2>/dev/null
end

complete -c peermesh -a '(__peermesh_complete)'
