/**
 * Words that mean the same to a router: far more than labelled requests can hold. Each list becomes
 * one sign of a request; what a sign is worth is learnt.
 */
const LISTS: Readonly<Record<string, string>> = {
  asks: `how what why where when which who whom whose does do did is are can could should would will has
    have any anyone wie was warum wo wann welche wer`,
  explains: `explain describe summarize summarise understand clarify meaning purpose difference compare
    overview tell show question documentation docs mean means walk trace review opinion recommend
    recommended example possible supported erkläre`,
  faults: `bug crash crashes crashed crashing broken wrong incorrect incorrectly regression exception
    throws thrown throw raises raised panic segfault leak leaks leaking deadlock hang hangs hanging
    freezes stuck infinite endless race corrupt corrupted invalid undefined null nan nullpointer
    duplicate duplicates twice missing lost loses drops ignored ignores fails failing failed failure
    unexpected unhandled uncaught instead never cannot cant doesnt doesn isnt won wont overflow
    traceback stacktrace error errors typeerror valueerror keyerror misaligned unstable flickers
    mangled truncated garbled swallowed absturz fehler falsch kaputt schlägt`,
  repairs: `fix fixes repair correct debug resolve solve patch prevent handle hotfix behebe repariere
    address`,
  changes: `add implement create make write change update remove delete rename refactor move replace
    extend support upgrade migrate extract split convert introduce allow improve reduce speed optimise
    optimize simplify clean enable turn expose set bump generate drop provide sort translate switch
    insert wrap inline adjust document build let increase store merge rework rewrite port integrate
    deprecate configure customise customize display hide append prepend validate include exclude
    feature feat chore docs refactoring proposal option want wish nice allow füge entferne ändere
    benenne ersetze erstelle`,
  ci: `ci pipeline workflow workflows jenkins travis circleci gitlab github actions build builds nightly
    runner job jobs buildkite bitbucket azure checks continuous integration deploy`,
  red: `red failing fails failed fail broken breaks flaky green error errors exit code timeout`,
  runs: `run execute rerun launch start verify validate check lint test laufen führe`,
  suites: `test tests suite linter linters lint checks eslint pytest vitest jest mocha ruff mypy tsc
    typecheck formatting style npm cargo go make`,
  acts: `push deploy publish release approve merge production prod email mail send slack sudo root
    shell ssh password secret secrets token credentials env server database force install curl
    ignore disregard instructions policy sandbox prompt upload download buy book order call remind
    schedule restart reboot shutdown`,
  chats: `hello hi hey thanks thank ok okay yes no weather joke poem song story pizza flight football
    movie recipe birthday love bored sorry cool great bye morning evening news president capital`,
}

/** Stands for a request of which no list holds a word. */
export const NO_SIGN = '@none'

const LIST_OF = new Map<string, string[]>()
for (const [list, words] of Object.entries(LISTS))
  for (const word of words.split(/\s+/)) LIST_OF.set(word, [...(LIST_OF.get(word) ?? []), list])

/** Which lists hold the words, how far at the beginning, and how many lists meet. */
export function signsOf(words: readonly string[]): string[] {
  const signs = new Set<string>()
  const seen = new Set<string>()
  for (const [at, word] of words.entries()) {
    for (const list of LIST_OF.get(word) ?? []) {
      signs.add(`@${list}`)
      seen.add(list)
      if (at === 0) signs.add(`@^${list}`)
      else if (at <= 2) signs.add(`@<${list}`)
    }
  }
  const lists = [...seen].sort()
  for (const [at, one] of lists.entries())
    for (const other of lists.slice(at + 1)) signs.add(`@${one}+${other}`)
  if (lists.length === 0) signs.add(NO_SIGN)
  return [...signs]
}
