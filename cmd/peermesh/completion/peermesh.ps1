# Completes peermesh in PowerShell: peermesh completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'peermesh' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $typed = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    $program = $typed[0]
    $words = @($typed | Select-Object -Skip 1) + @("--complete=$wordToComplete")
    & $program @words 2>$null | ForEach-Object {
        $word, $meaning = $_ -split "`t", 2
        if ($word -in ':files', ':dirs') { # PowerShell offers files itself where there is no result
            return
        }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $meaning)
    }
}
