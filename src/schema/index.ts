export {
  Asked,
  AskRequest,
  ContextRequest,
  RecallReport,
  RecallRequest,
  RouteRequest,
} from './advice.ts'
export { ApprovalEdit, Argv } from './approval.ts'
export { Artifact, ArtifactType } from './artifact.ts'
export {
  AgentStage,
  ApprovalMode,
  Blueprint,
  BudgetLimits,
  DeterministicStage,
  Stage,
} from './blueprint.ts'
export {
  BlueprintEntry,
  BlueprintReport,
  DoctorCheck,
  DoctorReport,
  Document,
  MachineCapability,
  PolicyExplanation,
} from './catalog.ts'
export { LearnRequest, LearntPolicy, SimulateRequest, Simulation } from './policy-record.ts'
export { ExecResult, FileStat, TestCase } from './command.ts'
export {
  decodeExecFrames,
  encodeExecFrame,
  EXEC_FROM,
  EXEC_TO,
  ExecSignal,
  ExecStart,
  readExecJson,
  SandboxSummary,
  SandboxWish,
  TerminalSize,
} from './exec-frames.ts'
export { Confinement, Limits, Receipt, ReceiptItem, TmpfsMount } from './confinement.ts'
export { ContextItem, ContextPack } from './context-pack.ts'
export {
  ERROR_TABLE,
  ErrorAnswer,
  ErrorBody,
  ErrorCode,
  OpenExecError,
  toErrorBody,
} from './errors.ts'
export { Event, EventType, NewEvent } from './event.ts'
export {
  ApprovalId,
  ArtifactId,
  DEFAULT_TENANT,
  DeliveryId,
  GitOid,
  RunId,
  SandboxId,
  ScheduleId,
  SessionId,
  Sha256,
  StepId,
  TaskId,
  Tenant,
  TokenId,
  ToolCallId,
  WebhookId,
} from './ids.ts'
export { canonicalJson, hashJson, JsonObject, JsonValue } from './json.ts'
export { McpLock, McpPins, McpServer, PinnedServer } from './mcp.ts'
export { Message, ModelRequest, ModelResponse, StopReason, ToolSpec, Usage } from './message.ts'
export { Plan } from './plan.ts'
export {
  Capability,
  DecisionKind,
  Isolation,
  Level,
  NetworkEntry,
  OperatorSecret,
  PolicyDecision,
  PolicyFile,
  PolicyLimits,
  PolicyRequest,
  PolicyRule,
  PolicyTest,
  Resource,
  SandboxMode,
  SecretBinding,
  SecretEntry,
} from './policy.ts'
export type { Clock, IdPrefix, Log, NewId } from './ports.ts'
export { ProjectConfig } from './project.ts'
export { Reason } from './reason.ts'
export { CreateSchedule, Schedule, ScheduleTick } from './schedule.ts'
export { CreateWebhook, Webhook, WebhookDelivery, WebhookEvent } from './webhook.ts'
export { AuditEntry, CreateRun, CreateToken, Queued, Scope, Token } from './service.ts'
export { DiffStat, exitCodeOf, RunResult } from './result.ts'
export { Skill, type SkillFile } from './skill.ts'
export {
  ForkBase,
  Run,
  RunRequest,
  RunStatus,
  Session,
  Step,
  Task,
  TERMINAL_STATUSES,
  Verdict,
} from './run.ts'
export { looksLikeUrl, parseRepoUrl, type RepoUrl } from './repo-url.ts'
export { WireFrame } from './stream.ts'
export { ByteSize, Duration, TIMEOUT_CLASSES } from './units.ts'
export { type Finding, findingsError, type ParsedYaml, parseYaml, YAML_BYTES_MAX } from './yaml.ts'
export { CassetteMode, ModelChoice, ModelProvider } from './model-choice.ts'
export { AuditReport, ReplayReport } from './audit.ts'
export {
  OfferUpload,
  UPLOAD_BYTES_MAX,
  UPLOAD_PART_BYTES,
  UploadedPart,
  UploadOffer,
} from './upload.ts'
