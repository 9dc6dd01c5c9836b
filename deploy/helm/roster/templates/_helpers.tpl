{{/* What all objects are called. A release called roster is called as in the plain manifests. */}}
{{- define "roster.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "roster.selector" -}}
app.kubernetes.io/name: roster
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "roster.labels" -}}
{{ include "roster.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "roster.founders" -}}
{{- $name := include "roster.name" . -}}
{{- $all := list -}}
{{- range $number := until (int .Values.founders) -}}
{{- $all = append $all (printf "%s-%d.%s-headless:8848" $name $number $name) -}}
{{- end -}}
{{- join "," $all -}}
{{- end -}}
