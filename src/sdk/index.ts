/**
 * The SDK of Arc. It needs `fetch` and WebSocket and nothing else, so it runs in browsers as well as in Node.
 *
 *     const arc = client({ url: 'http://127.0.0.1:7700', key });
 *     await using sandbox = await arc.sandboxes.create({ template: 'python' });
 *     const { stdout } = await sandbox.exec(['python3', '-c', 'print(6*7)']);
 */
export { ArcError, type ErrorCode, type Problem } from '../contract/errors.ts';
export type { ExecInfoView, Info, KeyRequest, KeyView, NodeView, TemplateView } from '../contract/schemas/admin.ts';
export type { AuditEntry } from '../contract/schemas/audit.ts';
export type { ExecResult, FileEntry, LogEntry, ProcessEntry, Stats } from '../contract/schemas/exec.ts';
export type {
  AlertReport,
  FiringView,
  HookRequest,
  HookTestResult,
  HookTryView,
  HookView,
} from '../contract/schemas/hook.ts';
export type { LinkGrantView, LinkRequest, LinkScope, LinkView, SessionView } from '../contract/schemas/link.ts';
export type { NetworkView } from '../contract/schemas/network.ts';
export type { QuotaRequest, QuotaView } from '../contract/schemas/quota.ts';
export type { CreateRequest, Event, Sandbox as SandboxView } from '../contract/schemas/sandbox.ts';
export type { Template } from '../contract/schemas/template.ts';
export type { VerifiedLevel, VerifyReport } from '../contract/schemas/verify.ts';
export type { Level, Reason, State } from '../contract/states.ts';
export type { TerminalRequest } from '../contract/stream.ts';
export type { AuditQuery } from './audit.ts';
export { Client, type ClientOptions, client, type SessionOptions } from './client.ts';
export type { EventOptions } from './events.ts';
export type { Content, Files } from './files.ts';
export type { Hooks } from './hooks.ts';
export type { Keys } from './keys.ts';
export type { LogOptions } from './logs.ts';
export type { Quotas } from './quotas.ts';
export { type ExecOptions, Sandbox, type WaitOptions } from './sandbox.ts';
export type { CreateOptions, ListOptions, Sandboxes } from './sandboxes.ts';
export { type OutputChunk, Session, type SessionExit } from './session.ts';
export type { SocketFactory, SocketLike } from './socket.ts';
export type { AddOptions, Progress, Templates } from './templates.ts';
export { fetchTransport, type HttpRequest, type HttpResponse, type Transport } from './transport.ts';
