export declare const shellCommands: readonly string[];
export declare function fileOf(name: string): { readonly code: string; readonly prints: string };
export declare function compileCommand(name: string): string;
